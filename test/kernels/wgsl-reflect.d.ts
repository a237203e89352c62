/** wgsl_reflect 1.6.0 declares itself an ES module, but its `main` is CommonJS; only this file of it can be imported. */
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
