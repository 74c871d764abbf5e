//! Runs the tasks of a spec in order, merges what they contribute, saves after each.
