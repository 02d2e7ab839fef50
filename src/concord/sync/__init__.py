"""What to write where: remote state, plans, receipts."""
