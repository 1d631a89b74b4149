"""How our objects are known: labels, annotations, and the namespace of what is ours for good."""

RUN_LABEL = "chaoslib-cp/run"
FAULT_LABEL = "chaoslib-cp/fault"
ROLE_LABEL = "chaoslib-cp/role"
ENDS_AT = "chaoslib-cp/ends-at-epoch-s"
OWNER_LABELS = {"app.kubernetes.io/managed-by": "chaoslib-cp"}
LIBRARY_NAMESPACE = "chaoslib-cp"
SCALE_NAME = "chaoslib-cp-scale"
"""ConfigMap of that namespace in which whoever built a cluster says what it stands for."""
