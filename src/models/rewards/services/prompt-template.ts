/** The template with {prompt} replaced by the prompt, as it is. */
export function askedAbout(template: string, prompt: string): string {
  return template.split('{prompt}').join(prompt);
}
