"""One law and one table: forms, objectives, solver, noise, intervals."""
