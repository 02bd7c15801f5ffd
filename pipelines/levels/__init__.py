"""From signals to levels: what is withheld, selected, laid out and evaluated on."""
