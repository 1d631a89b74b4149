"""DNS lies as text: a Corefile is read, judged and edited here, without a socket and without a cluster."""
