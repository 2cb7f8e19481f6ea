//! A matrix in panel layout, for matrix products: panels of [`LANES`] columns, each stored row by row.
//!
//! In this layout every operand of a step's products is read sequentially, and every result is written where the next
//! product reads it, so no operand has to be packed. Rows are padded to a multiple of [`STEP`], columns to whole
//! panels. The padding never affects a number outside it. For example, `[5, 20]` is stored as 2 panels of 8 groups of
//! 16 numbers.

use std::ops::{Deref, DerefMut};

use emberline_base::memory::{self, OutOfMemory};

/// The number of columns of a panel.
pub const LANES: usize = 16;

/// The number of rows is padded to a multiple of this.
pub const STEP: usize = 4;

/// A row's columns in one panel. They fill one cache line: loading a register that spans two takes twice the time.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Group(
    /// The numbers of the columns, zeros after the last one.
    pub [f32; LANES],
);

impl Group {
    /// A group of zeros.
    pub const ZEROS: Self = Self([0.0; LANES]);
}

impl Deref for Group {
    type Target = [f32; LANES];

    #[inline(always)]
    fn deref(&self) -> &[f32; LANES] {
        &self.0
    }
}

impl DerefMut for Group {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32; LANES] {
        &mut self.0
    }
}

/// Returns the numbers of groups as one slice.
#[inline(always)]
pub fn flat(groups: &[Group]) -> &[f32] {
    bytemuck::cast_slice(groups)
}

/// Returns the numbers of groups as one mutable slice.
#[inline(always)]
pub fn flat_mut(groups: &mut [Group]) -> &mut [f32] {
    bytemuck::cast_slice_mut(groups)
}

/// A matrix `[rows, cols]`, stored as groups `[panels, height]`.
#[derive(Clone, Debug, Default)]
pub struct Panels {
    rows: usize,
    cols: usize,
    groups: Vec<Group>,
}

impl Panels {
    /// Creates a matrix of zeros, `[rows, cols]`.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn zeros(rows: usize, cols: usize) -> Result<Self, OutOfMemory> {
        let groups = cols.div_ceil(LANES) * rows.next_multiple_of(STEP);
        Ok(Self { rows, cols, groups: memory::filled(Group::ZEROS, groups)? })
    }

    /// Creates a matrix from row-major values, `[rows, cols]`.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn of(rows: usize, cols: usize, values: &[f32]) -> Result<Self, OutOfMemory> {
        let mut panels = Self::zeros(rows, cols)?;
        panels.load(values);
        Ok(panels)
    }

    /// Replaces the values by row-major ones, `[rows, cols]`.
    pub fn load(&mut self, values: &[f32]) {
        self.groups.fill(Group::ZEROS);
        for (row, values) in values.chunks_exact(self.cols).enumerate() {
            self.set_row(row, values);
        }
    }

    /// Replaces the matrix by another, `[rows, cols]`, whose rows begin `stride` numbers apart.
    ///
    /// # Panics
    /// If there are fewer than `rows` rows of `cols` numbers.
    #[inline(always)]
    pub fn pack(&mut self, values: &[f32], stride: usize, rows: usize, cols: usize) {
        assert!(values.len() >= spanned(rows, stride, cols), "fewer rows than the matrix has");
        self.reshape(rows, cols);
        for (row, values) in values.chunks(stride).take(rows).enumerate() {
            self.set_row(row, &values[..cols]);
        }
    }

    /// Replaces the matrix, `[rows, cols]`, by the transpose of another, `[cols, rows]`, whose rows begin `stride` numbers
    /// apart.
    ///
    /// # Panics
    /// If there are fewer than `cols` rows of `rows` numbers.
    #[inline(always)]
    pub fn pack_transposed(&mut self, values: &[f32], stride: usize, rows: usize, cols: usize) {
        assert!(values.len() >= spanned(cols, stride, rows), "fewer rows than the matrix has columns");
        self.reshape(rows, cols);
        for (col, values) in values.chunks(stride).take(cols).enumerate() {
            let panel = self.panel_mut(col / LANES);
            for (group, value) in panel.iter_mut().zip(&values[..rows]) {
                group[col % LANES] = *value;
            }
        }
    }

    /// Gives the matrix another shape, with all zeros; unchanged if it already has that shape. Allocated memory is
    /// reused.
    #[inline(always)]
    pub fn reshape(&mut self, rows: usize, cols: usize) {
        if (self.rows, self.cols) == (rows, cols) {
            return;
        }
        (self.rows, self.cols) = (rows, cols);
        self.groups.clear();
        self.groups.resize(cols.div_ceil(LANES) * rows.next_multiple_of(STEP), Group::ZEROS);
    }

    /// Returns the number of rows without the padding.
    #[inline(always)]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns without the padding.
    #[inline(always)]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Returns the number of rows including the padding.
    #[inline(always)]
    pub fn height(&self) -> usize {
        self.rows.next_multiple_of(STEP)
    }

    /// Returns the number of panels.
    #[inline(always)]
    pub fn panels(&self) -> usize {
        self.cols.div_ceil(LANES)
    }

    /// Returns one panel, `[height]`.
    #[inline(always)]
    pub fn panel(&self, index: usize) -> &[Group] {
        let height = self.height();
        &self.groups[index * height..][..height]
    }

    /// Returns one mutable panel, `[height]`.
    #[inline(always)]
    pub fn panel_mut(&mut self, index: usize) -> &mut [Group] {
        let height = self.height();
        &mut self.groups[index * height..][..height]
    }

    /// Returns the mutable panels from `first` on, `[height]` each.
    ///
    /// # Panics
    /// If there are fewer than `COUNT`.
    #[inline(always)]
    pub fn panels_mut<const COUNT: usize>(&mut self, first: usize) -> [&mut [Group]; COUNT] {
        let height = self.height();
        let mut panels = self.groups[first * height..].chunks_exact_mut(height);
        std::array::from_fn(|_| panels.next().expect("a panel"))
    }

    /// Returns all groups, panel by panel.
    #[inline(always)]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns all groups, mutable, panel by panel.
    #[inline(always)]
    pub fn groups_mut(&mut self) -> &mut [Group] {
        &mut self.groups
    }

    /// Writes a row, `[cols]`.
    #[inline(always)]
    pub fn set_row(&mut self, row: usize, values: &[f32]) {
        let (whole, rest) = values.as_chunks::<LANES>();
        let mut groups = self.row_mut(row);
        whole.iter().zip(groups.by_ref()).for_each(|(values, group)| group.0 = *values);
        groups.for_each(|group| group[..rest.len()].copy_from_slice(rest));
    }

    /// Reads a row, `[cols]`.
    #[inline(always)]
    pub fn copy_row(&self, row: usize, values: &mut [f32]) {
        for (values, group) in values.chunks_mut(LANES).zip(self.row(row)) {
            values.copy_from_slice(&group[..values.len()]);
        }
    }

    /// Returns a row's groups, panel by panel.
    #[inline(always)]
    pub fn row(&self, row: usize) -> impl Iterator<Item = &Group> {
        self.groups[row..].iter().step_by(self.height())
    }

    /// Returns a row's groups, mutable, panel by panel.
    #[inline(always)]
    pub fn row_mut(&mut self, row: usize) -> impl Iterator<Item = &mut Group> {
        let height = self.height();
        self.groups[row..].iter_mut().step_by(height)
    }

    /// Returns all values, row by row, without padding.
    pub fn to_values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.cols];
        for (row, values) in values.chunks_exact_mut(self.cols).enumerate() {
            self.copy_row(row, values);
        }
        values
    }

    /// Transposes the matrix: `target[c, r] = self[r, c]`.
    #[inline(always)]
    pub fn transpose_into(&self, target: &mut Self) {
        for panel in 0..self.panels() {
            let first = panel * LANES;
            let width = LANES.min(target.height() - first);
            for (block, from) in self.panel(panel).chunks(LANES).enumerate() {
                transpose(from, &mut target.panel_mut(block)[first..first + width]);
            }
        }
    }
}

/// Returns how many numbers there are from the first of `count` rows to the last one's end. For example, 3 rows of 2 numbers
/// that begin 5 numbers apart span 2 * 5 + 2 = 12.
#[inline(always)]
fn spanned(count: usize, stride: usize, length: usize) -> usize {
    if count == 0 { 0 } else { (count - 1) * stride + length }
}

/// Transposes a block of at most [`LANES`] rows and columns; a full block by a loop of fixed length, which is faster.
#[inline(always)]
fn transpose(from: &[Group], to: &mut [Group]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<LANES>(), to.first_chunk_mut::<LANES>()) {
        for (r, to) in to.iter_mut().enumerate() {
            to.0 = std::array::from_fn(|c| from[c][r]);
        }
        return;
    }
    for (r, to) in to.iter_mut().enumerate() {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from[r];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the numbers 1, 2, 3, ... for a matrix `[rows, cols]`.
    fn counted(rows: usize, cols: usize) -> Vec<f32> {
        (1..=rows * cols).map(|i| i as f32).collect()
    }

    fn of(rows: usize, cols: usize) -> Panels {
        Panels::of(rows, cols, &counted(rows, cols)).expect("memory")
    }

    #[test]
    fn values_come_back_in_any_shape() {
        for (rows, cols) in [(1, 1), (4, 16), (5, 20), (33, 47)] {
            assert_eq!(of(rows, cols).to_values(), counted(rows, cols));
        }
    }

    #[test]
    fn a_transposed_matrix_has_rows_for_columns() {
        for (rows, cols) in [(1, 1), (32, 16), (5, 20), (33, 47)] {
            let mut target = Panels::zeros(cols, rows).expect("memory");
            of(rows, cols).transpose_into(&mut target);
            let values = target.to_values();
            for (r, c) in (0..rows).flat_map(|r| (0..cols).map(move |c| (r, c))) {
                assert_eq!(values[c * rows + r], (r * cols + c + 1) as f32);
            }
        }
    }

    /// The second packing has the shape of the first, so that nothing is cleared between them.
    #[test]
    fn packed_rows_may_be_parts_of_wider_ones() {
        const STRIDE: usize = 50;
        let (mut panels, mut transposed) = (Panels::default(), Panels::default());
        for (rows, cols) in [(1, 1), (5, 20), (5, 20), (33, 47), (4, 16)] {
            let wide = counted(rows, STRIDE);
            panels.pack(&wide, STRIDE, rows, cols);
            transposed.pack_transposed(&wide, STRIDE, cols, rows);
            let mut expected = Panels::zeros(cols, rows).expect("memory");
            panels.transpose_into(&mut expected);
            let cut: Vec<f32> = wide.chunks(STRIDE).flat_map(|row| row[..cols].to_vec()).collect();
            assert_eq!((panels.to_values(), panels.rows(), panels.cols()), (cut, rows, cols));
            assert_eq!(transposed.groups(), expected.groups());
        }
    }

    #[test]
    #[should_panic(expected = "fewer rows than the matrix has")]
    fn rows_that_are_missing_are_not_taken_for_packed_ones() {
        Panels::default().pack(&counted(3, 20), 20, 4, 20);
    }

    #[test]
    fn another_shape_starts_from_zeros() {
        let mut panels = of(5, 20);
        panels.reshape(2, 20);
        assert!(flat(panels.groups()).iter().all(|&v| v == 0.0));
    }
}
