//! The tensors of the Open Inference Protocol, common to REST and gRPC.

use super::classify::Row;
use super::error::ServiceError;

/// Input of the model; any numeric type is accepted.
pub(super) const INPUT: Tensor = Tensor { name: "input-0", datatype: "FP64", shape: &[-1, 4] };
/// Output of the model.
pub(super) const OUTPUT: Tensor = Tensor { name: "output-0", datatype: "INT64", shape: &[-1] };
/// Platform in the model's metadata.
pub(super) const PLATFORM: &str = "iter8_iris";

/// Metadata of a tensor.
#[derive(serde::Serialize)]
pub(super) struct Tensor {
    pub name: &'static str,
    pub datatype: &'static str,
    /// -1 means any number of flowers.
    pub shape: &'static [i64],
}

/// Numeric element types.
const DATATYPES: [&str; 10] =
    ["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"];

/// Rejects element types that are not numeric.
pub(super) fn check_datatype(datatype: &str) -> Result<(), ServiceError> {
    if DATATYPES.contains(&datatype) {
        return Ok(());
    }
    Err(ServiceError::bad(format!("inputs[0].datatype is `{datatype}`, expected one of {}", DATATYPES.join(", "))))
}

/// Returns the only input of a request.
pub(super) fn only<T>(inputs: Vec<T>) -> Result<T, ServiceError> {
    let count = inputs.len();
    let mut inputs = inputs.into_iter();
    match (inputs.next(), inputs.next()) {
        (Some(input), None) => Ok(input),
        _ => Err(ServiceError::bad(format!("{count} inputs, expected 1"))),
    }
}

/// Splits the elements of a tensor into flowers.
pub(super) fn rows(shape: &[i64], elements: &[f64]) -> Result<Vec<Row>, ServiceError> {
    let &[count, 4] = shape else {
        return Err(ServiceError::bad(format!("inputs[0].shape is {shape:?}, expected [n, 4]")));
    };
    let (rows, rest) = elements.as_chunks::<4>();
    if usize::try_from(count) != Ok(rows.len()) || !rest.is_empty() {
        let message = format!("inputs[0] has {} elements, which do not match its shape {shape:?}", elements.len());
        return Err(ServiceError::bad(message));
    }
    if !elements.iter().all(|element| element.is_finite()) {
        return Err(ServiceError::bad("inputs[0] has an element that is not a finite number"));
    }
    Ok(rows.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_cut_row_by_row() {
        let elements = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(rows(&[2, 4], &elements), Ok(vec![[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]));
        assert_eq!(rows(&[0, 4], &[]), Ok(vec![]));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let shapes: [&[i64]; 9] =
            [&[], &[4], &[4, 2], &[2, 4], &[0, 4], &[-1, 4], &[i64::MAX, 4], &[i64::MIN, 4], &[1, 4, 1]];
        for shape in shapes {
            assert!(rows(shape, &[1.0, 2.0, 3.0, 4.0]).is_err(), "{shape:?}");
        }
        assert!(rows(&[1, 4], &[1.0, 2.0, 3.0]).is_err());
        assert!(rows(&[1, 4], &[1.0, 2.0, 3.0, 4.0, 5.0]).is_err());
        assert!(rows(&[1, 4], &[1.0, 2.0, 3.0, f64::NAN]).is_err());
    }

    #[test]
    fn one_input_of_numbers_is_expected() {
        assert_eq!(only(vec![1]), Ok(1));
        assert!(only::<u8>(vec![]).is_err() && only(vec![1, 2]).is_err());
        assert!(check_datatype("FP32").is_ok() && check_datatype("BYTES").is_err());
    }
}
