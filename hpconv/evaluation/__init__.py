"""Final evaluation: select winners, retrain them, test them once. Files only, no database."""
