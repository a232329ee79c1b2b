//! The cluster file as users write it.
mod example;
