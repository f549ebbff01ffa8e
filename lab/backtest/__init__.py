"""One migration, offline: an archived log through the same folds as live, with no broker."""
