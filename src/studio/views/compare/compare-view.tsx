/** @file Compare: policies without their names, and runs over each other. */

import { useEffect, useState } from 'preact/hooks';
import { wordsOf } from '../../api/request.js';
import { BlindTest } from './blind-test.jsx';
import { RunCurves } from './run-curves.jsx';
import { loadSides, runs } from './sides.js';

export function CompareView() {
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    loadSides().then(
      () => setFault(null),
      (error: unknown) => setFault(wordsOf(error)),
    );
  }, []);
  if (fault !== null) return <p class="fault">{fault}</p>;
  if (runs.value === null) return <p class="note">Looking for runs …</p>;
  return (
    <>
      <BlindTest />
      <RunCurves />
    </>
  );
}
