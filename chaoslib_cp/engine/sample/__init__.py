"""One measurement each: a DNS question, one HTTPS call, and the fixed times at which they are asked. No policy."""
