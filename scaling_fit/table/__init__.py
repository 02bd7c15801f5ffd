"""A table of runs as others write it: files and frames read, cells parsed, headings understood, units doubted."""
