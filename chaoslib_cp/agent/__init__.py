"""What runs inside pods: the telemetry agent (load) and the workload prober. No cluster client, no Chaos Toolkit."""
