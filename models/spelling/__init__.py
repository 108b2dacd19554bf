"""The copy of an untrusted text that a judge reads, with disguised letters spelled plainly."""
