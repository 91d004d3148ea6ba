"""Counting in the workers, sampling in one place, reading anywhere. Imports no other room."""
