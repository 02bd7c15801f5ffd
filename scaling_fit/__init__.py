"""Observations to laws, shifts and plans. numpy and scipy; usable alone on any table of runs."""
