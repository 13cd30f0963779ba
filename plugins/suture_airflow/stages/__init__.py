"""What the DAGs' one-call tasks call: each module wires one stage's rooms together, and nothing else."""
