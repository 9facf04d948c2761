"""Warnings before it hurts: what is judged, when a warning is raised and over, and how people hear of it."""
