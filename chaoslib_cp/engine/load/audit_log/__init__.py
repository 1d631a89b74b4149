"""A load profile of a real agent, made from what API servers wrote down about it: the audit log, read as a stream.

Source: Kubernetes documentation, "Auditing" and "kube-apiserver Audit Configuration (v1)": one JSON object a line.
"""
