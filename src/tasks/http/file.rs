//! Files named by the fields of a load.

use super::plan::Load;
use crate::ports::Files;
use crate::tasks::credentials::read_file;
use crate::values::input::InputError;

/// Reads the file that `field` names.
pub(super) fn read(load: &Load, files: &dyn Files, field: &str, path: &str, max: u64) -> Result<Vec<u8>, InputError> {
    read_file(files, field, path, max, &|field, message| load.paths.error(field, message))
}
