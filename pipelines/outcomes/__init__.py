"""From observations to the fit, the report, and what people look at."""
