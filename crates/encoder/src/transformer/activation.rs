//! The activations that models may name. Names of code are matched against this list, never run.

/// An activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    /// x Phi(x), with the error function.
    Gelu,
    /// GELU by its approximation with tanh.
    GeluTanh,
    Relu,
    Tanh,
    Sigmoid,
    Silu,
}

impl Activation {
    /// By the name that `config.json` uses.
    pub(crate) fn of_config(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Self::GeluTanh,
            "relu" => Self::Relu,
            "tanh" => Self::Tanh,
            "silu" | "swish" => Self::Silu,
            _ => return None,
        })
    }

    /// By the path of a class of PyTorch, as a Dense module names it.
    pub(crate) fn of_class(path: &str) -> Option<Self> {
        Some(match path.strip_prefix("torch.nn.modules.")? {
            "linear.Identity" => Self::Identity,
            "activation.GELU" => Self::Gelu,
            "activation.ReLU" => Self::Relu,
            "activation.Tanh" => Self::Tanh,
            "activation.Sigmoid" => Self::Sigmoid,
            "activation.SiLU" => Self::Silu,
            _ => return None,
        })
    }

    /// A name that stays when this type is renamed: it is part of stored digests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Relu => "relu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
        }
    }

    /// The names of `of_class`, for messages.
    pub(crate) const CLASSES: &str = "Identity, GELU, ReLU, Tanh, Sigmoid and SiLU of torch.nn.modules";
}
