//! What needs more of the program than the leadership alone.

mod world;
