//! x
use std::io::Write;
fn main() {
    for b in [b"a,1\n".repeat(20 << 20), b"a".repeat(80 << 20)] {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(&b).expect("");
        let n = w.finish().expect("").len();
        eprintln!("{n}");
    }
    for f in std::env::args().skip(1) {
        let t = std::time::Instant::now();
        let s = emberline_dataset::Settings::new(
            &f,
            emberline_dataset::settings::Column::Name("question_text".into()),
            emberline_dataset::settings::LabelColumns::One(emberline_dataset::settings::Column::Name("target".into())),
        );
        let r = emberline_dataset::read(&s, std::path::Path::new("/")).expect("x");
        let a = t.elapsed();
        let d = r.split(&Default::default(), 1).expect("y");
        let b = t.elapsed();
        let g = d.digest();
        {
            let t = std::time::Instant::now();
            let x = emberline_dataset::read_texts(
                std::path::Path::new(&f),
                &emberline_dataset::settings::Column::Name("question_text".into()),
                None,
                None,
            )
            .expect("t");
            eprintln!("texts {} {:?}", x.len(), t.elapsed());
        }
        eprintln!("{f} read {a:?} split {:?} digest {:?} {g} {}", b - a, t.elapsed() - b, d.texts.len());
    }
}
