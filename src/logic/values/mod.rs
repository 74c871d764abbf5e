//! Values as Helm merges them: files, `--set` and its kin.
