//! Shapes: strided views of row-major elements, broadcasting, axes.

use super::tensor::elements;

/// Elements at regular distances: a tensor after slicing, transposing or broadcasting.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) shape: Vec<usize>,
    /// The distance between neighbours in each dimension.
    pub(crate) strides: Vec<isize>,
    pub(crate) offset: isize,
}

impl View {
    /// Returns the view of a whole row-major tensor.
    pub(crate) fn whole(shape: &[usize]) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut stride = 1_isize;
        for (size, place) in shape.iter().zip(&mut strides).rev() {
            *place = stride;
            stride = stride.saturating_mul(*size as isize);
        }
        Self { shape: shape.to_vec(), strides, offset: 0 }
    }

    /// Broadcasts to a larger shape, with dimensions counted from the last; `None` if they don't fit.
    pub(crate) fn broadcast(&self, shape: &[usize]) -> Option<Self> {
        let missing = shape.len().checked_sub(self.shape.len())?;
        let mut strides = vec![0; shape.len()];
        for (axis, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            match (size, shape[missing + axis]) {
                (from, to) if from == to => strides[missing + axis] = stride,
                (1, _) => {}
                _ => return None,
            }
        }
        Some(Self { shape: shape.to_vec(), strides, offset: self.offset })
    }

    /// Visits the positions of the elements, row by row: calls `run(first, stride, length)` for each row of the last
    /// dimension.
    pub(crate) fn rows(&self, mut run: impl FnMut(usize, isize, usize)) {
        if self.shape.contains(&0) {
            return;
        }
        let Some((&length, outer)) = self.shape.split_last() else { return run(self.offset as usize, 1, 1) };
        let stride = self.strides[outer.len()];
        let mut at = vec![0; outer.len()];
        let mut first = self.offset;
        loop {
            run(first as usize, stride, length);
            let mut axis = outer.len();
            loop {
                let Some(next) = axis.checked_sub(1) else { return };
                axis = next;
                at[axis] += 1;
                first += self.strides[axis];
                if at[axis] < outer[axis] {
                    break;
                }
                first -= self.strides[axis] * outer[axis] as isize;
                at[axis] = 0;
            }
        }
    }

    /// Returns the elements in row-major order.
    pub(crate) fn copy<T: Clone>(&self, values: &[T]) -> Vec<T> {
        let mut out = Vec::with_capacity(self.shape.iter().product());
        self.rows(|first, stride, length| match stride {
            1 => out.extend_from_slice(&values[first..first + length]),
            stride => out.extend((0..length).map(|i| values[(first as isize + stride * i as isize) as usize].clone())),
        });
        out
    }
}

/// Returns the shape that two shapes broadcast to.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let both = (0..rank).map(|axis| match (size(a, axis), size(b, axis)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        _ => Err(format!("is used on the shapes {a:?} and {b:?}, which don't fit")),
    });
    let shape = both.collect::<Result<Vec<_>, _>>()?;
    elements(&shape)?;
    Ok(shape)
}

/// Resolves an axis, which is counted from the last dimension if it is negative.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let found = usize::try_from(counted).ok().filter(|&axis| axis < rank);
    found.ok_or_else(|| format!("is used along the axis {axis} of {rank} dimensions"))
}

/// Returns three products: of the sizes before an axis, of the axis itself, and of the sizes after it.
pub(crate) fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_walks_its_elements_in_order() {
        let values: Vec<i32> = (0..6).collect();
        let whole = View::whole(&[2, 3]);
        assert_eq!(whole.copy(&values), values);
        let turned = View { shape: vec![3, 2], strides: vec![1, 3], offset: 0 };
        assert_eq!(turned.copy(&values), [0, 3, 1, 4, 2, 5]);
        let back = View { shape: vec![2, 2], strides: vec![3, -2], offset: 2 };
        assert_eq!(back.copy(&values), [2, 0, 5, 3]);
        let wide = View::whole(&[3]).broadcast(&[2, 3]).expect("fits");
        assert_eq!(wide.copy(&values), [0, 1, 2, 0, 1, 2]);
        assert_eq!(View::whole(&[]).broadcast(&[2]).expect("fits").copy(&values), [0, 0]);
        assert!(View::whole(&[2]).broadcast(&[3]).is_none());
        assert!(View::whole(&[0, 3]).copy(&values).is_empty());
    }

    #[test]
    fn shapes_broadcast_from_their_last_dimension() {
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]), Ok(vec![2, 4, 3]));
        assert_eq!(broadcast(&[], &[0]), Ok(vec![0]));
        broadcast(&[2], &[3]).expect_err("don't fit");
        assert_eq!((axis(-1, 3), axis(2, 3)), (Ok(2), Ok(2)));
        axis(3, 3).expect_err("out of range");
        axis(-4, 3).expect_err("out of range");
        axis(0, 0).expect_err("no axis");
    }
}
