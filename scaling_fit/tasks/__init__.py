"""Tasks beside the loss: scores of runs, how they follow the loss, what larger runs would score, what is a break."""
