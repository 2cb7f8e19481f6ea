//! The activation functions of models. A class name in a config is matched against this list; no code is ever loaded by name.

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    /// GELU: x Phi(x), computed with the error function.
    Gelu,
    /// The approximation of GELU with tanh.
    GeluTanh,
    Relu,
    Tanh,
    Sigmoid,
    Silu,
}

impl Activation {
    /// Parses the name of an activation in `config.json`.
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

    /// Parses the path of a PyTorch class, as in the config of a Dense module.
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

    /// Returns the stable name, which is part of stored digests and must not change.
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

    /// The names that [`of_config`](Self::of_config) accepts, for messages.
    pub(crate) const NAMES: &str = "gelu, gelu_new, relu, tanh and silu";

    /// The classes that [`of_class`](Self::of_class) accepts, for messages.
    pub(crate) const CLASSES: &str = "Identity, GELU, ReLU, Tanh, Sigmoid and SiLU of torch.nn.modules";
}
