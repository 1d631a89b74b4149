"""Is this provably the test cluster that was meant, and may it be broken?"""
