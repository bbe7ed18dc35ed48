"""The page: one self-contained file that answers the studies' questions and shows the evidence."""
