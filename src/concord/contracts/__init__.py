"""What a valid row is: contracts, their rules and the gate that applies them."""
