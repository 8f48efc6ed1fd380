// The door of the mini-program: what is fetched when it is first opened.
import 'tdesign-mobile-vue/es/style/index.css'
import './mini.css'

export { default } from './MiniApp.vue'
