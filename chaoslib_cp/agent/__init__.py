"""What runs inside pods: load agent, workload prober, rogue DNS server. No cluster client, no Chaos Toolkit."""
