"""The one door to a cluster: who we are, whether we may, what we made, and how it is taken back."""
