//! The requirements: one table of what tests and checks may need beyond the checkout, the compiler and a shell.

/// Makes the enumeration, the list of all and what each is called of one table, so that none can be missing in one of them.
macro_rules! requirements {
    ($($(#[$doc:meta])* $variant:ident: $name:literal, $variable:expr, $cure:literal;)*) => {
        /// What a test may need beyond the checkout, the compiler and a shell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Requirement {
            $($(#[$doc])* $variant,)*
        }

        impl Requirement {
            /// Every requirement.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in `EMBERLINE_REQUIRE`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The environment variable that says where it is, if there is one.
            pub fn variable(self) -> Option<&'static str> {
                match self { $(Self::$variant => $variable,)* }
            }

            /// What to do so that the test isn't skipped.
            pub fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)* }
            }
        }
    };
}

requirements! {
    /// Real data and reference results, which the project can't ship.
    Shared: "shared", Some("EMBERLINE_SHARED"), "set EMBERLINE_SHARED to the folder of the shared data";
    /// A Python with TensorBoard.
    Tensorboard: "tensorboard", Some("EMBERLINE_TENSORBOARD_PYTHON"),
        "set EMBERLINE_TENSORBOARD_PYTHON to a Python with `tensorboard`";
    /// A Python that makes environments.
    Python: "python", None, "install python3 with its module venv, such as the package python3-venv";
    /// The published model all-MiniLM-L6-v2.
    Minilm: "minilm", Some("EMBERLINE_MINILM"), "set EMBERLINE_MINILM to the folder of all-MiniLM-L6-v2";
    /// A Python that reads exported models.
    ExportPython: "export-python", Some("EMBERLINE_EXPORT_PYTHON"),
        "set EMBERLINE_EXPORT_PYTHON to a Python with `onnx`, `onnxruntime`, `model2vec` and `gensim`";
    /// A Python with fastText.
    FasttextPython: "fasttext-python", Some("EMBERLINE_FASTTEXT_PYTHON"),
        "set EMBERLINE_FASTTEXT_PYTHON to a Python with `fasttext-wheel`";
    /// A Vulkan device, in software if need be.
    Vulkan: "vulkan", None, "install a Vulkan driver, such as the package mesa-vulkan-drivers";
    /// An NVIDIA GPU.
    Cuda: "cuda", None, "use a machine with an NVIDIA GPU and its driver";
    /// The browser Chromium.
    Chromium: "chromium", None, "install Chromium, as the program chromium";
    /// The right to mount a small disk.
    SmallDisk: "small-disk", None, "run as root, in a container that may mount";
    /// `strace`, and the right to trace.
    Strace: "strace", None, "install strace, and allow ptrace";
    /// The program cargo-deny.
    CargoDeny: "cargo-deny", None, "cargo install cargo-deny";
    /// The database of advisories on dependencies.
    Advisories: "advisories", None, "let https://github.com/RustSec/advisory-db be reached";
    /// The program mdBook.
    Mdbook: "mdbook", None, "cargo install mdbook";
    /// GNU Parallel.
    Parallel: "parallel", None, "install GNU Parallel, such as the package parallel";
    /// The program of HyperQueue, which is no package.
    Hyperqueue: "hyperqueue", None, "install `hq`, from https://github.com/It4innovations/hyperqueue/releases";
    /// A Python with the schemas of Kubernetes.
    Kubernetes: "kubernetes", Some("EMBERLINE_KUBERNETES_PYTHON"),
        "set EMBERLINE_KUBERNETES_PYTHON to a Python with `kubernetes-validate`";
    /// Slurm, and the right to start it.
    Slurm: "slurm", None, "run as root, with Debian's slurmctld, slurmd, slurm-client and munge";
    /// Mounts of the file system sshfs, and its server.
    Fuse: "fuse", None, "run as root, with /dev/fuse and Debian's sshfs and openssh-sftp-server";
    /// A C++ compiler.
    Cpp: "cpp", None, "install a C++ compiler as c++";
}

impl Requirement {
    /// The requirement of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|requirement| requirement.name() == name)
    }

    /// What the device with this name on the command line needs: `wgpu` or `cuda`.
    ///
    /// # Panics
    /// For other names: the processor is always there.
    pub fn of_device(name: &str) -> Self {
        match name {
            "wgpu" => Self::Vulkan,
            "cuda" => Self::Cuda,
            other => panic!("no requirement for the device `{other}`"),
        }
    }
}
