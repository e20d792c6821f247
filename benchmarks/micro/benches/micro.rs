//! Time: the same cases under criterion.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use shardlane_micro::cases;

fn time_all(criterion: &mut Criterion) {
    for case in cases::all() {
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Elements(case.units.into()));
        group.bench_function(case.unit, |bencher| {
            let mut subject = (case.make)();
            bencher.iter_custom(|runs| {
                let mut spent = Duration::ZERO;
                for _ in 0..runs {
                    subject.prepare();
                    let begun = Instant::now();
                    subject.run();
                    spent += begun.elapsed();
                }
                spent
            });
        });
        group.finish();
    }
}

criterion_group!(benches, time_all);
criterion_main!(benches);
