//! Builds a service's rows: Maglev with credit weights over power-of-two tables, then history.
