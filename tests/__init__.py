"""Tests, by what they need: nothing (functional, attacks), Ape (contracts), processes (integration)."""
