// The samplers of src/models make trees and the rules here read them; neither imports the other, so the shape lies above both.
export * from '../../rollout-tree.js';
