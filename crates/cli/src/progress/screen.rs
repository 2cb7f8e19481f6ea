//! The live view on a terminal: some lines below all messages, drawn anew when they change.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::print_above;

/// The live view; without a terminal there is none, and whatever is printed stays as it is.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// Whether messages go to a terminal that can move its cursor.
    is_live: bool,
    /// The lines as they are drawn; none before the first ones.
    view: Option<ProgressBar>,
}

impl Screen {
    /// Opens a view if messages go to a terminal. It is empty, and takes no line.
    pub(super) fn open() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { is_live: io::stderr().is_terminal() && !is_dumb, view: None }
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Shows these lines in place of the former ones.
    pub(super) fn show(&mut self, lines: &[String]) {
        if self.is_live {
            let view = self.view.get_or_insert_with(|| {
                let view = view();
                print_above(Some(view.clone()));
                view
            });
            view.set_message(lines.join("\n"));
            view.tick();
        }
    }

    /// Removes the view for good.
    pub(super) fn close(&mut self) {
        self.is_live = false;
        if let Some(view) = self.view.take() {
            print_above(None);
            view.finish_and_clear();
        }
    }
}

fn view() -> ProgressBar {
    let view = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    view.set_style(ProgressStyle::with_template("{msg}").expect("a valid template"));
    view
}
