"""What a run reads, phase by phase: does it help, and against what?"""
