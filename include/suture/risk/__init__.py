"""What matters most: scores, decisions with their reasons, and the campaigns that follow from them."""
