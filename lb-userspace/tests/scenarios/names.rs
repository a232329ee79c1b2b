//! Names: what tasks are told by the resolver in their namespace, and what it never tells anybody.

mod bed;
mod change;
mod forward;
mod lookup;
mod resolv_conf;
mod survive;
