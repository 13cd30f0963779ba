"""What is in a package: readers that trust nothing in it, and the examiners that speak of it (`sourcing/examination.py`)."""
