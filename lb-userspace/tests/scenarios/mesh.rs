//! The routing mesh: who reaches which task, by which address and port, and who does not.
