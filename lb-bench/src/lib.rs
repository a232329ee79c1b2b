//! The bench: what swarmlb costs, against doing nothing, against the kernel's own ways and against
//! proxies, side by side in one run.
//!
//! A group makes what it measures and hands out [`rounds::Measure`]s; [`rounds`] measures them in turns;
//! [`figure`]s come out, which [`bounds`] judge, [`report`] collects and [`render`] writes. [`machine`]
//! and [`noise`] say how far to trust them.

pub mod bounds;
pub mod bulk;
pub mod churn;
pub mod figure;
pub mod leftovers;
pub mod machine;
pub mod noise;
pub mod object;
pub mod pace;
pub mod packet;
pub mod rate;
pub mod render;
pub mod report;
pub mod requests;
pub mod rounds;
pub mod site;
pub mod stats;
