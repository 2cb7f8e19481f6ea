//! A function ready to run: what doesn't depend on its inputs is computed once, and the other nodes run in order.

use std::collections::BTreeMap;

use super::ops::Kernel;
use super::tensor::{Data, Tensor};
use super::unbound::{Origin, UnboundFunction};

/// The maximum memory of all tensors of one run, in bytes, however large its inputs are.
const MAX_LIVE: usize = 4 << 30;
/// The memory that a run may take even with small inputs, in bytes. Each byte of an input adds to it, and so does
/// each pair of bytes (attention).
const ALWAYS_LIVE: usize = 128 << 20;
const LIVE_A_BYTE: usize = 64 << 10;
const LIVE_A_PAIR: usize = 256;
/// The memory that precomputed tensors may take, in bytes, in addition to twice the variables.
const MAX_FOLDED: usize = 128 << 20;

/// An input of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arg {
    Constant(usize),
    Slot(usize),
}

/// A node of the program.
struct Step {
    /// `the node "name" (op Op)`.
    node: String,
    kernel: Kernel,
    inputs: Vec<Arg>,
    /// The slot of the first output; the other outputs follow.
    first: usize,
    /// Slots that no later step reads, which are freed after this one.
    last: Vec<usize>,
}

/// The steps between inputs and outputs.
pub(super) struct Program {
    constants: Vec<Tensor>,
    steps: Vec<Step>,
    slots: usize,
    outputs: Vec<Arg>,
    /// The size of the constants in bytes.
    held: usize,
}

/// The constants as a program numbers them: those that some step reads.
struct Constants<'t> {
    of_graph: &'t [Tensor],
    variables: &'t [Tensor],
    vocabularies: &'t [Tensor],
    folded: Vec<Option<Tensor>>,
    numbers: BTreeMap<Origin, usize>,
    kept: Vec<Tensor>,
}

impl Constants<'_> {
    fn known(&self, origin: Origin) -> Option<&Tensor> {
        match origin {
            Origin::Constant(number) => self.of_graph.get(number),
            Origin::Variable(number) => self.variables.get(number),
            Origin::Vocabulary(number) => self.vocabularies.get(number),
            Origin::Slot(slot) => self.folded[slot].as_ref(),
        }
    }

    fn argument(&mut self, origin: Origin) -> Arg {
        let known = self.known(origin).cloned();
        match (origin, known) {
            (_, Some(tensor)) => {
                let kept = &mut self.kept;
                Arg::Constant(*self.numbers.entry(origin).or_insert_with(|| {
                    kept.push(tensor);
                    kept.len() - 1
                }))
            }
            (Origin::Slot(slot), None) => Arg::Slot(slot),
            // Every number in a function's steps is that of one of its constants, variables or vocabularies.
            (_, None) => Arg::Slot(0),
        }
    }
}

impl Program {
    /// Computes what doesn't depend on the inputs.
    ///
    /// # Errors
    /// A node that doesn't fit its inputs, by name.
    pub(super) fn new(unbound: UnboundFunction, variables: &[Tensor], vocabularies: &[Tensor]) -> Result<Self, String> {
        let budget = MAX_FOLDED + 2 * variables.iter().map(Tensor::bytes).sum::<usize>();
        let folded = vec![None; unbound.slots];
        let (numbers, kept) = (BTreeMap::new(), Vec::new());
        let mut constants = Constants { of_graph: &unbound.constants, variables, vocabularies, folded, numbers, kept };
        let mut steps = Vec::new();
        let mut made = 0_usize;
        for super::unbound::Step { node, kernel, inputs, first } in unbound.steps {
            let known: Option<Vec<&Tensor>> = inputs.iter().map(|&input| constants.known(input)).collect();
            let Some(known) = known else {
                let inputs = inputs.iter().map(|&input| constants.argument(input)).collect();
                steps.push(Step { node, kernel, inputs, first, last: Vec::new() });
                continue;
            };
            let outputs = kernel.run(&known).map_err(|reason| format!("{node} {reason}"))?;
            made = outputs.iter().fold(made, |sum, tensor| sum.saturating_add(tensor.bytes()));
            if made > budget {
                return Err(format!("{node} and those before make constants of more than {budget} bytes"));
            }
            for (slot, tensor) in (first..).zip(outputs.into_iter().take(kernel.outputs)) {
                constants.folded[slot] = Some(tensor);
            }
        }
        let outputs = unbound.outputs.iter().map(|&output| constants.argument(output)).collect();
        let held = constants.kept.iter().map(Tensor::bytes).sum();
        let mut program = Self { constants: constants.kept, steps, slots: unbound.slots, outputs, held };
        program.note_last_uses();
        Ok(program)
    }

    fn note_last_uses(&mut self) {
        let mut read = vec![false; self.slots];
        for output in &self.outputs {
            if let Arg::Slot(slot) = *output {
                read[slot] = true;
            }
        }
        for step in self.steps.iter_mut().rev() {
            let outputs = step.first..step.first + step.kernel.outputs;
            step.last.extend(outputs.filter(|&slot| !read[slot]));
            for input in &step.inputs {
                if let Arg::Slot(slot) = *input
                    && !std::mem::replace(&mut read[slot], true)
                {
                    step.last.push(slot);
                }
            }
        }
    }

    /// Returns the outputs for these inputs, whose number must be that of the function.
    ///
    /// # Errors
    /// A node that doesn't fit its inputs, by name.
    pub(super) fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        let mut slots: Vec<Option<Tensor>> = vec![None; self.slots];
        slots.iter_mut().zip(inputs).for_each(|(slot, input)| *slot = Some(input.clone()));
        let given = inputs.iter().map(content_bytes).sum();
        let (mut live, most) = (0_usize, self.most_live(given));
        for step in &self.steps {
            let inputs = step.inputs.iter().map(|&input| self.value(&slots, input));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let outputs = step.kernel.run(&inputs).map_err(|reason| format!("{} {reason}", step.node))?;
            live = outputs.iter().fold(live, |sum, tensor| sum.saturating_add(tensor.bytes()));
            if live > most {
                return Err(format!("{} needs more than {most} bytes for an input of {given}", step.node));
            }
            for (slot, output) in (step.first..).zip(outputs.into_iter().take(step.kernel.outputs)) {
                slots[slot] = Some(output);
            }
            for &slot in &step.last {
                live = live.saturating_sub(slots[slot].take().map_or(0, |gone| gone.bytes()));
            }
        }
        self.outputs.iter().map(|&output| self.value(&slots, output).cloned()).collect()
    }

    /// Returns the maximum memory of a run's tensors, in bytes, for inputs of `given` bytes.
    fn most_live(&self, given: usize) -> usize {
        let pairs = given.saturating_mul(given).saturating_mul(LIVE_A_PAIR);
        let grown = given.saturating_mul(LIVE_A_BYTE).saturating_add(pairs);
        ALWAYS_LIVE.saturating_add(self.held).saturating_add(grown).min(MAX_LIVE)
    }

    fn value<'t>(&'t self, slots: &'t [Option<Tensor>], of: Arg) -> Result<&'t Tensor, String> {
        match of {
            Arg::Constant(number) => Ok(&self.constants[number]),
            Arg::Slot(slot) => slots[slot].as_ref().ok_or_else(|| "a node has fewer outputs than are used".to_owned()),
        }
    }
}

/// Returns the size of a tensor's content in bytes; for strings, the number of their bytes.
fn content_bytes(tensor: &Tensor) -> usize {
    match tensor.data() {
        Data::Bytes(values) => values.iter().map(Vec::len).sum(),
        _ => tensor.bytes(),
    }
}
