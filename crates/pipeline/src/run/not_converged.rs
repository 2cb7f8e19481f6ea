//! The warning about a fit by L-BFGS that ended before it converged.

use emberline_base::Warning;
use emberline_base::record::Convergence;
use emberline_base::warning::Code;

/// Returns a warning if a fit didn't converge.
pub(super) fn warning(convergence: &Convergence) -> Option<Warning> {
    let Convergence { converged, iterations, gradient, .. } = *convergence;
    let text = format!(
        "`lbfgs` ended after {iterations} iterations, before it converged: the gradient is still {gradient:.1e}. The head isn't the \
         best one for its settings, and its score depends on where the fit stopped. Raise `train.optimizer.lbfgs.max_iterations`, or \
         make `l2` or `tolerance` larger."
    );
    (!converged).then(|| Warning::new(Code::NotConverged, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fit_that_did_not_converge_is_warned_of() {
        let end = Convergence { converged: true, iterations: 7, evaluations: 8, gradient: 1e-7 };
        assert_eq!(warning(&end), None);
        let end = Convergence { converged: false, iterations: 100, gradient: 0.0012, ..end };
        let Warning { code, text, .. } = warning(&end).expect("a warning");
        assert_eq!(code, Code::NotConverged);
        assert!(text.contains("after 100 iterations") && text.contains("still 1.2e-3"), "{text}");
    }
}
