"""Agents: pods of ours that play a fault, whatever it is that they play."""
