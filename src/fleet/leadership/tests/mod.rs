//! A run beside the controller, and whole fleets with the planner and the memory.

mod beside;
mod world;
