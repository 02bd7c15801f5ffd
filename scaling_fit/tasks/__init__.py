"""Tasks beside the loss: scores of runs, how they follow the loss, what larger runs would score, and whether a rise is a break."""
